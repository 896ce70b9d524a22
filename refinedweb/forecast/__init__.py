"""How long a run will take on other machines and over more data, from what the ledger of a sample run measured.

    measured    the ledger → seconds per unit of work, warm-up, bytes and objects, step by step
    workload    steps of the sample → tasks over the wanted input, with the requests and bytes that each moves
    simulation  tasks on machines that start late, are slow or get taken away; limits of the store and the network
    forecast    all steps one after the other: hours, dollars, what holds the run back, and a curve over machines

All of it is pure, except for reading the ledger; the same seed gives the same forecast.
"""

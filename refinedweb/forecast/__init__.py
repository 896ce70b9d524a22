"""How long a run will take on other machines and over more data, from what the ledger of a sample run measured.

    measured    the ledger → seconds per unit of work, warm-up, bytes and objects, step by step
    workload    steps of the sample → tasks of the wanted input, with the requests and bytes that each moves
    simulation  tasks on machines that start late, are slow, or are taken away; the store's and the network's limits
    forecast    all steps one after the other: hours, dollars, what holds the run back, and a curve over machines

Pure but for reading the ledger; the same seed gives the same forecast.
"""

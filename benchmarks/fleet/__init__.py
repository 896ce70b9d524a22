"""A fleet in virtual time: the real engine, ledger, claims and S3 code over a simulated bucket and simulated nodes.

clock        virtual time: threads of which one runs at a time, and the patches that make the engine use it
bucket       S3 as boto3's client shows it: objects with versions, conditional writes, listings by page
nodes        hosts, their workers, and the pool that a driver runs its attempts on
faults       what goes wrong, when, how large it is, and what it may cost
simulation   one run from the first driver's start to the last one's end
laws         what must hold after every run
"""

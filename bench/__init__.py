"""
The benchmark: this service beside its peers, in one run, on the same data and queries, over HTTP.

    growth    the graph multiplied in its own shape
    mix       the queries, and the values they rotate through
    peers     each engine: load, start, ask, memory, stop
    client    the load: connections that are kept alive, one request after another; a process of its own
    compare   answers compared, then rounds of measurements with the engines in turn
    report    tables

`make bench` runs it; `python -m bench --help` lists what can be chosen.
"""

"""Extension: `--engine ray`, which trains folds as tasks of a Ray cluster.

    ./run.sh all -c SLUG --engine ray                           a cluster on this machine, for as long as the command
    ./run.sh all -c SLUG --engine ray --ray-address HOST:PORT   one that runs, of which this machine is a node

The driver, which is this process, keeps all that lasts: it hands out jobs, shows events, and is the only one that
writes to `output/`. A node has nothing but a cache of inputs and the folder of the fold that it trains.
"""

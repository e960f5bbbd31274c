"""A DynamoDB that simulates capacity, in simulated time, and what is proved on it.

The rule: everything above the port runs unchanged; only time and the table are simulated. What the
simulation assumes stands in `capacity` (partitions) and `dynamodb` (latency), with its source, and
is the same for whoever runs on it.

    virtual_time   an event loop whose sleeps cost nothing: hours in seconds, exact by seed
    capacity       partitions, provisioned and on-demand tables
    dynamodb       the gateway: pages, latency, throttles
    writers        how others would do it: the report's script, a copy in scan order
    proofs         each question of the performance page, as a function that measures
"""

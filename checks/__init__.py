"""The catalogue of checks: one file each, one declaration a file, named `CHECK`.

A file's name begins with the check's id. Ids are never reused; a new check takes the next free number of
its family: E executions, H history, I instances, Q queues and locks, K key-value and custom status, S schema, D
pg_durable.
"""

"""Faults of every kind against the real stack, while jobs of every kind are drawn and read.

wishes.py   the jobs that are asked for         faults.py  what goes wrong
load.py     hands them in, reads, cancels       world.py   the processes, and what starts them again
judge.py    what became of one job              counts.py  what became of all, fault by fault
telling.py  who is told of their ends          models.py  what lies in the models directory
keys.py     the file of keys, and two owners   disks.py   that are small
sitting.py  puts these together
"""

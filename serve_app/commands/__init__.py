"""The commands of `warmline`, one file each.

Modules of this package import what is heavy inside their functions, so that `warmline --help` stays fast.
"""

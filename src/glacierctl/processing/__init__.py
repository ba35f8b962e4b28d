"""The science: a task in, outcomes out, one by one."""

# Faults on purpose: system calls that fail or fall short, from a seed. Linux only.

FAULT_LIBRARY = $(BUILD)/libfaults.so

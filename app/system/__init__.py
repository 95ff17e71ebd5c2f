"""What the machine is: CPUs, memory, how processes end, logging."""

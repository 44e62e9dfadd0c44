"""What a method costs: parameters, multiply-accumulates and latency in its deployed form."""

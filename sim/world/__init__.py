"""What happens: customers, outcomes, drift, labels and offers."""

"""What every host of a job runs."""

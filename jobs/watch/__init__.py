"""`job watch` and `job alarms`: a job is started again until its run is complete."""

"""`job launch`: the image, the job's description, and the call that starts the job."""

"""job launch: image, job description and the call that starts it."""

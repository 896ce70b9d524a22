"""Small models: trained from labelled rows, quantised, evaluated, used. Nothing here knows of stages."""

"""Small models: labelled rows are trained, quantised, evaluated and read; no stage and no engine below here."""

"""Amazon SageMaker: job specifications, launch, the container's entry point, watch and audits."""

# As the pipeline file calls the cluster of staging.
name = "inventory-staging"

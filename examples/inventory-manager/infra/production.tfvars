# As the pipeline file calls the cluster of production.
name = "inventory-manager"

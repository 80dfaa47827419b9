"""All that knows Ray: reaching a cluster, asking its nodes, placing packs of jobs."""

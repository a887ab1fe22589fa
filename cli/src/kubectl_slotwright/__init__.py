"""`kubectl slotwright`: what a platform engineer does with tenants beyond `kubectl get`.

It imports nothing of the platform's: it is installed on people's machines, and reads what the API server gives.
Everything it wants of the cluster goes through `kubectl` (see `kubectl`), so that contexts, credentials and proxies
are those of kubectl. `app` is the command line; the modules below it are pure, but for `kubectl` and `waiting`.
"""

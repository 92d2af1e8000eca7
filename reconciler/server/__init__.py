"""The server of `reconcile serve`: HTTP in front of actions that it is handed.

tls    uvicorn's protocol with client certificates in the scope, deadlines and caps
"""

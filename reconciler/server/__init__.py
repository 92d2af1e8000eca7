"""The server of `reconcile serve`: HTTP in front of actions that it is handed.

listen    uvicorn's configuration, and what is refused to be started
protocol  its protocol with deadlines and caps
tls       the context, and client certificates in the scope
"""

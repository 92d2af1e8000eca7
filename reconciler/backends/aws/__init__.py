"""AWS: one client for all services, errors in words, and the shapes that its APIs share.

* `AwsClient.call` refuses operations that write and `change` alone passes the gate, so reading code cannot write.
* The gate is asked before each attempt that goes over the wire, not once a call: botocore sleeps between attempts,
  and a request that was allowed may be sent long after the lease that allowed it has ended.
* What AWS itself answers in an error is quoted only where the request held no secret: validation messages of AWS and
  botocore repeat the value that they refuse.
"""

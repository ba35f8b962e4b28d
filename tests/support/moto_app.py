"""AWS's control plane as moto plays it, as one process: `python -m tests.support.moto_app PORT CONTROL_PORT`.

Invocations of Lambda run where a test wishes so; see lambda_service.py.
"""

import json
import os
import signal
import sys
import threading

import moto.iam.models
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from tests.support import lambda_app, moto_code, moto_gaps, moto_limits, moto_roles, moto_simulation
from tests.support.lambda_service import Service

_POLICIES = ("AWSLambda", "AmazonS3", "AdministratorAccess")
"""Beginnings of the names of AWS's own policies that tests attach; moto makes all 1500 anew at every reset."""


def main(port: int, control_port: int) -> None:
    """Serve on loopback until the process is ended. Nothing is run in Docker by moto itself."""
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["batch"] = {"use_docker": False}
    moto_gaps.mend()
    policies = json.loads(moto.iam.models.aws_managed_policies_data)
    kept = {name: policy for name, policy in policies.items() if name.startswith(_POLICIES)}
    moto.iam.models.aws_managed_policies_data = json.dumps(kept)
    service, ended = Service(f"http://127.0.0.1:{port}"), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    lambda_app.install(service)
    lambda_app.serve(service, control_port)
    moto_code.install(f"http://127.0.0.1:{port}")
    moto_limits.install()
    moto_simulation.install()
    moto_roles.install()
    ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False).start()
    ended.wait()
    service.reset()
    os._exit(0)  # moto's threads wait for requests that never come


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

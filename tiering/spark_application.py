"""The application that spark-submit runs: measure and decide one policy as of a day, on facts that were handed over.

It reaches no database: files in, files out. spark-submit … tiering/spark_application.py --policy pyramid
--as-of 2025-12-31 --facts 3
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date

from sql.errors import TieringError
from tiering.settings import read_settings
from transforms.policy import read_policies


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application; return 0, or 1 after one line that says what is wrong."""
    from pyspark.errors import PySparkException

    from sql.spark import open_session, run_policy

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--policy", required=True, help="id of the policy")
    parser.add_argument("--as-of", required=True, type=date.fromisoformat, help="day to look at")
    parser.add_argument("--facts", required=True, type=int, help="number of the newest load of the state of the facts")
    options = parser.parse_args(arguments)
    try:
        here = read_settings()
        policies = read_policies(here.policies)
        if options.policy not in policies:
            raise TieringError(f"there is no policy {options.policy} in {here.policies}; clear hand_over")
        session = open_session(f"tier__{options.policy} {options.as_of}")
        policy = policies[options.policy]
        run_policy(session, here.spark_dir, options.facts, policies.values(), policy, options.as_of)
    except TieringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except PySparkException as error:
        # What the decision refuses is raised in a worker, and comes with the traceback of both processes.
        ours = re.search(r"^sql\.errors\.\w+: (.*)$", str(error), re.MULTILINE)
        if ours is None:
            raise
        print(f"error: {ours[1]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

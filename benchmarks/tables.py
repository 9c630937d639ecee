"""Adult census rows after two minutes of fitting, against the test file that no fit has seen.

python -m benchmarks.tables --family autoregressive --minutes 2 --seeds 3
"""

import argparse
import time

import genwright as gw
from benchmarks.common import data_file, record, rounded
from genwright.families import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="autoregressive", choices=list(FAMILIES))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    train = gw.read(data_file("table_adult/adult_train.csv.gz"), label="income")
    test = gw.read(data_file("table_adult/adult_test.csv.gz"), label="income")
    for seed in range(options.seeds):
        began = time.monotonic()
        model = gw.fit(train, family=FAMILIES[options.family](), minutes=options.minutes, seed=seed)
        fitted = time.monotonic()
        fake = model.sample(len(test), seed=seed)
        sampled = time.monotonic()
        found = gw.evaluate(fake, real=test, train=train.train, seed=seed)
        times = {"fit_seconds": round(fitted - began, 1), "rows_per_second": round(len(test) / (sampled - fitted))}
        record("adult", vars(options) | {"seed": seed}, times | rounded(found.scores))


if __name__ == "__main__":
    main()

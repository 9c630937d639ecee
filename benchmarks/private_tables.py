"""Adult census rows fitted with differential privacy, beside the same family without it, and real rows.

python -m benchmarks.private_tables --epsilon 3 --seeds 3
python -m benchmarks.private_tables --family autoregressive --minutes 5
"""

import argparse
import time

import genwright as gw
from benchmarks.common import data_file, record
from genwright.families import FAMILIES
from genwright.metrics.judges import c2st
from genwright.metrics.tables import shape_error, trend_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="tree", choices=["tree", "mixture", "autoregressive"])
    parser.add_argument("--epsilon", type=float, help="Without it, fit as if no row needed protection.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    train = gw.read(data_file("table_adult/adult_train.csv.gz"), label="income")
    test = gw.read(data_file("table_adult/adult_test.csv.gz"), label="income")
    floor = {f"{name} floor": value for name, value in compared(test, train).items()}
    for seed in range(options.seeds):
        began = time.monotonic()
        privacy = None if options.epsilon is None else gw.Privacy(epsilon=options.epsilon)
        family = FAMILIES[options.family]()
        model = gw.fit(train, family=family, minutes=options.minutes, privacy=privacy, seed=seed)
        seconds = {"fit_seconds": round(time.monotonic() - began, 1)}
        spent = {} if privacy is None else {key: model.record["privacy"][key] for key in ("epsilon", "delta")}
        found = compared(test, model.sample(len(test), seed=seed))
        record("private adult", vars(options) | {"seed": seed, "rows": len(train)} | spent, seconds | found | floor)


def compared(real: gw.Dataset, fake: gw.Dataset) -> dict[str, float]:
    """Shape and trend error in percent, and C2ST."""
    scores = shape_error(real, fake), trend_error(real, fake), c2st(real, fake)
    return {score.name: round(score.value, 4) for score in scores}


if __name__ == "__main__":
    main()

"""Fashion-MNIST after ten minutes of fitting: class agreement and Fréchet distance against its test images.

python -m benchmarks.images --family flow --minutes 10
"""

import argparse
import time

import genwright as gw
from benchmarks.common import ROOT, data_file, record, rounded
from genwright.families import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="flow", choices=list(FAMILIES))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=2000)
    options = parser.parse_args()
    train = gw.read(data_file("images_fashion_mnist/train-images-idx3-ubyte.gz"))
    test = gw.read(data_file("images_fashion_mnist/t10k-images-idx3-ubyte.gz"))
    began = time.monotonic()
    model = gw.fit(train, family=FAMILIES[options.family](), minutes=options.minutes, seed=options.seed)
    fitted = time.monotonic()
    fake = model.sample(options.samples, seed=options.seed)
    sampled = time.monotonic()
    gw.write(fake.take(slice(0, 100)), ROOT / "runs" / f"fashion-{options.family}")
    found = gw.evaluate(fake, real=test, train=train.train, seed=options.seed)
    times = {"fit_seconds": round(fitted - began, 1), "images_per_second": round(len(fake) / (sampled - fitted), 1)}
    record("fashion-mnist", vars(options), times | rounded(found.scores))


if __name__ == "__main__":
    main()

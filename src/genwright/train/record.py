"""What is written down about a fit."""

import time
from typing import Any

from genwright.data.dataset import Dataset
from genwright.train.devices import environment, peak_memory_mb


def circumstances(data: Dataset, *, started: float) -> dict[str, Any]:
    """Time and memory taken, on which machine, for which data."""
    took = {"seconds": round(time.monotonic() - started, 2), "peak_memory_mb": round(peak_memory_mb())}
    return took | {"environment": environment(), "data": _summary(data)}


def _summary(data: Dataset) -> dict[str, Any]:
    split = {"train": len(data.split.train), "valid": len(data.split.valid), "test": len(data.split.test)}
    fields = [{"name": f.name, "kind": type(f).__name__.lower()} for f in data.fields]
    return {"name": data.name, "rows": len(data), "label": data.label, "split": split, "fields": fields}

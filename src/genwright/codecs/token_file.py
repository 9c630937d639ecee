"""The tokens of a text that stays on the disk, in a file beside memory too."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from genwright.codecs.tokenizers import Tokenizer
from genwright.data.longtext import LongText
from genwright.folders import check_room


def token_file(
    column: LongText, tokenizer: Tokenizer, dtype: type[np.signedinteger[Any]]
) -> Integer[np.ndarray, " tokens"]:
    """All tokens in their order, mapped from a temporary file without a name, which is gone when they are.

    It lies where TMPDIR says. Raises ResourceError where there is no room for a token for each byte.
    """
    if not len(column):
        return np.empty(0, dtype)
    folder = Path(tempfile.gettempdir())
    check_room(folder, int(column.sizes.sum()) * np.dtype(dtype).itemsize)
    with tempfile.TemporaryFile(dir=folder) as file:
        for raws in column.blocks():
            file.write(np.concatenate(tokenizer.encode_all(raws)).astype(dtype).tobytes())
        file.flush()
        return np.memmap(file, dtype, mode="c")

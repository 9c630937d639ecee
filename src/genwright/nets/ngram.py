"""Counts of n-grams as the tensors of a net, and records drawn by them."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.maths.ngram_fit import smoothed
from genwright.maths.ngrams import Counts, Smoothed, Stretch, following, probabilities, stretched
from genwright.nets.causal import leading
from genwright.spaces import Columns, Discrete, Tokens
from genwright.weights import Grows

BINS = 8  # of a continuous column, equally likely ones of a standard normal
SYMBOLS_AT_ONCE = 2**19  # that are scored together
NUMBERS_AT_ONCE = 2**23  # in the distributions of what follows that are held together


class NGramCounts(Grows):
    """p(x_t | the symbols before it, columns) from counts, see `genwright.maths.ngrams`.

    The columns beside a record stand in contexts as symbols after its `depth` nearest tokens. `framed` records begin
    after an `end`; other rows are windows, which begin anywhere. Before it is filled every token is as likely.
    """

    contexts: Tensor
    ends: Tensor
    grams: Tensor
    tallies: Tensor
    discounts: Tensor
    depth: Tensor
    framed: Tensor

    def __init__(self, space: Tokens, columns: Columns | None) -> None:
        super().__init__()
        self.space, self.columns = space, columns or Columns(())
        kinds = [c.levels if isinstance(c, Discrete) else BINS for c in self.columns.columns]
        self.kinds = torch.tensor(kinds, dtype=torch.long)  # and one more for what is not known
        self.firsts = space.vocabulary + (self.kinds + 1).cumsum(0) - self.kinds - 1
        self.alphabet = space.vocabulary + int((self.kinds + 1).sum())
        grams = np.arange(space.vocabulary)
        tallies = np.ones((2, len(grams)), dtype=np.int32)
        root = Counts(space.vocabulary, self.alphabet, np.array([-1]), np.array([1]), grams, tallies)
        for name, tensor in _tensors(smoothed(root), framed=True).items():
            if name == "tallies":
                self.tallies = nn.Parameter(tensor, requires_grad=False)
            else:
                self.register_buffer(name, tensor)

    def fill(self, model: Smoothed, *, framed: bool) -> None:
        """Take these counts over."""
        self.load_state_dict(_tensors(model, framed=framed))

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Counts that are sorted, belong together, and are those of this space."""
        contexts, ends, grams, tallies, taken = (
            weights[name] for name in ("contexts", "ends", "grams", "tallies", "discounts")
        )
        whole = 0 < len(ends) < 64 and ends[0] == 1 and bool((ends.diff() >= 0).all()) and ends[-1] == len(contexts)
        lengths = tallies.shape == (2, len(grams)) and taken.shape == (len(ends), 2, 4) and len(contexts) > 0
        if not (whole and lengths):
            raise ValueError("counts of several sizes")
        ordered = all(bool((each.diff() > 0).all()) for each in (contexts, grams))
        own = grams.div(self.space.vocabulary, rounding_mode="floor").unique_consecutive()
        known = len(own) == len(contexts) and bool((own == torch.arange(len(own), device=own.device)).all())
        bounds = torch.tensor([1.0, 2.0, 3.0, 1e6], device=taken.device)
        passed = (taken[..., :3] > 0).all(-1) | (taken[..., 3] > 0)  # else what was never seen has no probability
        law = bool(((taken >= 0) & (taken <= bounds)).all() and passed.all() and (tallies > 0).all())
        if not (ordered and known and law and contexts[0] == -1):
            raise ValueError("counts of no n-grams")

    @cached_property
    def model(self) -> Smoothed:
        """The counts on the processor, made ready to be asked."""
        told = {name: tensor.detach().cpu().numpy() for name, tensor in self.state_dict().items()}
        sizes = self.space.vocabulary, self.alphabet
        counts = Counts(*sizes, *(told[name] for name in ("contexts", "ends", "grams", "tallies")))
        return Smoothed(counts, told["discounts"], int(told["depth"]))

    def grown(self) -> None:
        """What was made ready of earlier tensors is no longer so."""
        self.__dict__.pop("model", None)

    def beside(self, context: Float[Tensor, "n c"] | None, n: int) -> Int[np.ndarray, "n c"]:
        """The columns of n records as symbols."""
        columns = self.columns.columns
        if context is None:
            context = torch.full((n, len(columns)), torch.nan)
        rows, found = context.cpu(), []
        edges = torch.special.ndtri(torch.arange(1, BINS) / BINS)
        for column, own, first, kinds in zip(columns, rows.T, self.firsts, self.kinds, strict=True):
            level = own if isinstance(column, Discrete) else torch.bucketize(own, edges).to(own.dtype)
            known = level.nan_to_num(0.0).long().clamp(0, int(kinds) - 1)
            found.append(first + torch.where(own.isnan(), kinds, known))
        return torch.stack(found, dim=1).numpy() if found else np.zeros((n, 0), dtype=np.int64)

    def stretch(
        self, x: Int[np.ndarray, "n t"], beside: Int[np.ndarray, "n c"], *, framed: bool | None = None
    ) -> Stretch:
        """Records as symbols to be predicted."""
        whole, documents = bool(self.framed) if framed is None else framed, self.space.documents
        return stretched(x, end=self.space.end, framed=whole, documents=documents, beside=beside)

    @torch.no_grad()
    def log_prob(self, x: Int[Tensor, "n t"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n"]:
        """Exact log-probability of each record in nats, its first `end` included."""
        rows, beside, found = x.cpu().numpy(), self.beside(context, len(x)), []
        step = max(1, SYMBOLS_AT_ONCE // (x.shape[1] + 1))
        for at in range(0, len(rows), step):
            part = rows[at : at + step]
            asked = self.stretch(part, beside[at : at + step])
            owner = asked.at // (len(asked.symbols) // len(part))
            found.append(np.bincount(owner, np.log(probabilities(self.model, asked)[-1]), minlength=len(part)))
        return torch.from_numpy(np.concatenate(found)).to(x.device) if found else x.new_zeros(0).double()

    @torch.no_grad()
    def draw(
        self,
        n: int,
        partial: Int[Tensor, "n t"] | None,
        context: Float[Tensor, "n c"] | None,
        rng: torch.Generator,
        *,
        choose: Callable[[Tensor, torch.Generator], Tensor],
    ) -> Int[Tensor, "n t"]:
        """n records that continue the prompts in `partial` (-1 where free), chosen from log-probabilities."""
        if partial is None:
            partial = torch.full((n, self.space.length), -1, device=rng.device)
        leading(partial >= 0, "a text")
        beside, parts = self.beside(context, n), []
        step = max(1, NUMBERS_AT_ONCE // self.space.vocabulary)
        for at in range(0, n, step):
            part = partial[at : at + step].cpu().numpy().copy()
            parts.append(torch.from_numpy(self._continued(part, beside[at : at + step], rng, choose)))
        return torch.cat(parts).to(partial.device) if parts else partial

    def _continued(
        self,
        x: Int[np.ndarray, "n t"],
        beside: Int[np.ndarray, "n c"],
        rng: torch.Generator,
        choose: Callable[[Tensor, torch.Generator], Tensor],
    ) -> Int[np.ndarray, "n t"]:
        first, end = int(bool(self.framed) or self.space.documents), self.space.end
        s = np.pad(x, ((0, 0), (first, 0)), constant_values=end)
        ended = np.zeros(len(s), dtype=bool)
        rows = np.arange(len(s)) * s.shape[1]
        for t in range(first, s.shape[1]):
            free = s[:, t] < 0
            if free.any():
                asked = Stretch(s.ravel(), rows + t, np.full(len(s), t), beside)
                told = torch.from_numpy(np.log(following(self.model, asked))).to(rng.device)
                s[:, t] = np.where(free, choose(told, rng).cpu().numpy(), s[:, t])
            s[ended, t] = end
            ended |= s[:, t] == end
            if ended.all():
                s[:, t:] = end
                break
        return s[:, first:]


def _tensors(model: Smoothed, *, framed: bool) -> dict[str, Tensor]:
    counts = model.counts
    arrays = {
        "contexts": counts.contexts,
        "ends": counts.ends,
        "grams": counts.grams,
        "tallies": counts.tallies,
        "discounts": model.discounts,
        "depth": np.array(model.depth),
        "framed": np.array(framed),
    }
    return {name: torch.from_numpy(array).contiguous() for name, array in arrays.items()}

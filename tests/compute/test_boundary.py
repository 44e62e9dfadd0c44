"""The boundary: whatever a plug-in writes, gives or leaves behind, other cells and the process stay as they are."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import qbench
from qbench import registry
from qbench.boundary import ForeignCondition, ForeignDataset
from qbench.compute.boundary import ForeignMethod, LentContext, checked_model
from qbench.draws import Draw
from qbench.errors import QbenchError
from qbench.models.base import LoadedModel
from qbench.process import generators_kept, visit
from qbench.vocabulary import Context, InputConvention, Manifest, Sample


def batch(seed: int = 0) -> tuple[Tensor, Context]:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return images, Context(("a", "b"), images, ({"quality": [10]}, {"quality": [7]}), seed=3)


def method(restore: Callable[..., Any]) -> ForeignMethod:
    return ForeignMethod(type("Mine", (), {"restore": lambda self, *given: restore(*given)})(), "mine")


def entry(kind: registry.Kind, declared: type) -> registry.Entry:
    return registry.Entry(kind, "mine", declared)


def scribble(images: Tensor, context: Any) -> Tensor:
    """Writes into all that it is lent."""
    answer = images.clone()
    images.zero_()
    context.degraded.zero_()
    context.once("mean", lambda degraded: degraded.zero_())
    for facts in context.facts:
        facts["quality"].append("hacked")
        facts["bpp"] = 99.0
    return answer


def test_what_a_method_is_lent_is_its_own() -> None:
    images, context = batch()
    kept = images.clone()
    assert torch.equal(method(scribble).restore(images, context), kept)
    assert torch.equal(images, kept)
    assert context.facts == ({"quality": [10]}, {"quality": [7]})
    assert context.once("mean", torch.mean) == kept.mean(), "what a plug-in computes is kept for itself alone"


def test_what_a_method_gives_is_a_copy() -> None:
    """One that answers from a buffer of its own would change what it gave for the batch before."""
    buffer = torch.empty(2, 3, 8, 8)
    reuses = method(lambda images, _: buffer.copy_(images))
    images, context = batch()
    first = reuses.restore(images, context)
    reuses.restore(1 - images, context)
    assert torch.equal(first, images)


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (lambda images: images * 255, r"restore gave values from \S+ to 25\d.*; expected pictures in \[0, 1\]"),
        (lambda images: images - 1, r"values from -0\.9"),
        (lambda images: (images * 255).to(torch.uint8), r"a uint8 tensor of \[2, 3, 8, 8\]"),
        (lambda images: images.double(), r"a float64 tensor of \[2, 3, 8, 8\]"),
        (lambda images: images.half(), "a float16 tensor"),
        (lambda images: images[:, :, :-1], r"a float32 tensor of \[2, 3, 7, 8\]"),
        (lambda images: images[:1], r"a float32 tensor of \[1, 3, 8, 8\]"),
        (lambda images: images.numpy(), r"a numpy array, float32 \[2, 3, 8, 8\]"),
        (lambda images: None, "nothing"),
        (lambda images: [images], "a value of type list"),
    ],
)  # fmt: skip
def test_what_a_method_gives_is_checked(answer: Callable[[Tensor], Any], came: str) -> None:
    images, context = batch()
    with pytest.raises(QbenchError, match=rf"^method 'mine' \(Mine\): .*{came}"):
        method(lambda given, _: answer(given)).restore(images, context)


def test_features_keep_their_shape() -> None:
    class Halved:
        at = "D2"

        def enhance(self, features: Tensor, images: Tensor, context: Any) -> Tensor:
            images.zero_()
            return features.zero_()[:, :, ::2]

    images, context = batch()
    features = torch.ones(2, 4, 6, 6)
    with pytest.raises(QbenchError, match=r"enhance gave a float32 tensor of \[2, 4, 3, 6\] .* \[2, 4, 6, 6\]"):
        ForeignMethod(Halved(), "halved").enhance(features, images, context)
    assert (features == 1).all()
    assert images.any()


def test_a_feature_method_without_a_site_is_told() -> None:
    with pytest.raises(
        QbenchError, match=r"method 'mine' \(object\) has nothing for `at`; expected the name of a site"
    ):
        _ = ForeignMethod(object(), "mine").at


DISTURB: dict[str, Callable[[], object]] = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "determinism": lambda: torch.use_deterministic_algorithms(True),
    "torch's generator": lambda: torch.manual_seed(99),
    "numpy's generator": lambda: np.random.seed(99),
    "python's generator": lambda: random.seed(99),
    "working directory": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(QBENCH_HOME="/nonexistent"),
}


def process() -> list[Any]:
    return [
        torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), Path.cwd(), dict(os.environ),
        torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist(), random.getstate(),
        [np.asarray(part).tolist() for part in np.random.get_state()],
    ]  # fmt: skip


@pytest.mark.parametrize("what", DISTURB)
def test_the_process_is_as_it_was_after_a_visit(what: str) -> None:
    before = process()
    with visit("anyone"):
        DISTURB[what]()
    assert process() == before


def test_generators_are_put_back_once_for_many_visits() -> None:
    before = process()
    with generators_kept():
        alone = [drawn("a"), drawn("b")]
        with visit("outer"):
            between = process()
            drawn("inner")
            assert process() == between, "a visit inside of another one leaves no trace in it"
        assert [drawn("b"), drawn("a")] == alone[::-1]
    assert process() == before
    drawn("a")
    assert process() == before


def test_a_visit_that_fails_leaves_the_process_in_order_too() -> None:
    def fails() -> None:
        with visit("anyone"):
            for disturb in DISTURB.values():
                disturb()
            raise KeyError

    before = process()
    with pytest.raises(KeyError):
        fails()
    assert process() == before


def test_exit_is_an_error() -> None:
    with pytest.raises(QbenchError, match=r"asked the process to exit \(sys\.exit\(0\)\)"), visit("anyone"):
        raise SystemExit(0)


def drawn(*key: object) -> tuple[float, float, float]:
    with visit(*key):
        return float(torch.rand(1)), float(np.random.rand()), random.random()


def test_global_generators_are_seeded_by_the_visit() -> None:
    assert drawn(0, "jpeg", ("a", "b")) == drawn(0, "jpeg", ("a", "b"))
    assert (
        len(
            {drawn(*key) for key in ((0, "jpeg", ("a",)), (1, "jpeg", ("a",)), (0, "fog", ("a",)), (0, "jpeg", ("b",)))}
        )
        == 4
    )


def test_draws_of_a_context_are_keyed_by_the_sample() -> None:
    _, context = batch()
    one = Context(("b",), context.degraded[1:], context.facts[1:], seed=3)
    values = [rng.random() for rng in LentContext(context).draw("noise")]
    assert [rng.random() for rng in one.draw("noise")] == values[1:]
    assert values[0] != values[1]
    assert [rng.random() for rng in context.draw("noise", step=1)] != values


def loaded(net: nn.Module) -> LoadedModel:
    return LoadedModel(net, InputConvention(size=8, resize=None), {})


def test_a_model_is_in_eval_mode_and_its_decoding_sees_copies() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    with pytest.raises(
        QbenchError, match=r"model 'mine' gave a network in training mode \(the network\).*call net\.eval"
    ):
        checked_model(loaded(net), "model 'mine'")
    net.eval()
    net[1].train()
    with pytest.raises(QbenchError, match=r"training mode \(1\)"):
        checked_model(loaded(net), "model 'mine'")
    with pytest.raises(
        QbenchError, match=r"gave a value of type Sequential; expected a qbench\.models\.base\.LoadedModel"
    ):
        checked_model(net, "model 'mine'")
    writes = replace(loaded(net.eval()), decode=lambda output, images: images.zero_())
    images, _ = batch()
    with torch.inference_mode():
        checked_model(writes, "model 'mine'").predict(images)
    assert images.any()


class Odd:
    """A dataset that gives what it is told to."""

    label = "odd"

    def __init__(self, sample: Any) -> None:
        self.sample = sample

    def manifest(self) -> Manifest:
        return Manifest(("a",), ("digest",))

    def load(self, index: int) -> Any:
        return self.sample


PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (Sample("b", PICTURE, 0), "gave sample 'b'; its manifest says 'a'"),
        (Sample("a", PICTURE / 255, 0), r"a numpy array, float64 \[8, 8, 3\]; expected uint8"),
        (Sample("a", PICTURE[..., 0], 0), r"uint8 \[8, 8\]; expected uint8 \[height, width, 3\]"),
        (("a", PICTURE, 0), "load gave a value of type tuple"),
    ],
)
def test_samples_are_those_of_the_manifest(sample: Any, said: str) -> None:
    with pytest.raises(QbenchError, match=said):
        ForeignDataset(Odd(sample), entry("dataset", Odd)).load(0)


def test_what_a_dataset_says_of_its_classes_passes_the_boundary() -> None:
    class Named(Odd):
        classes = ("cat", "dog")
        more_classes = True

    named, plain = (ForeignDataset(kind(None), entry("dataset", kind)) for kind in (Named, Odd))
    assert (named.classes, named.more_classes) == (("cat", "dog"), True)
    assert (plain.classes, plain.more_classes) == ((), False)


def test_the_manifest_of_a_dataset_is_asked_once() -> None:
    class Listed(Odd):
        asked = 0

        def manifest(self) -> Manifest:
            self.asked += 1
            return super().manifest()

    listed = Listed(Sample("a", PICTURE, 0))
    dataset = ForeignDataset(listed, entry("dataset", Listed))
    for _ in range(3):
        dataset.load(0)
    assert (dataset.manifest().ids, listed.asked) == (("a",), 1)


def test_what_a_model_runs_beside_its_network_sees_copies() -> None:
    class Writes:
        networks = ()

        def __call__(self, net: nn.Module, images: Tensor, context: Any) -> Any:
            images.zero_()
            context.degraded.zero_()
            return nullcontext()

    images, context = batch()
    net = nn.Conv2d(3, 2, 1).eval()
    with torch.inference_mode():
        checked_model(replace(loaded(net), beside=Writes()), "model 'mine'").predict(images, context)
    assert images.any()
    assert context.degraded.any()


def test_a_sample_is_a_copy() -> None:
    given = Sample("a", PICTURE.copy(), np.zeros((8, 8), np.uint8))
    sample = ForeignDataset(Odd(given), entry("dataset", Odd)).load(0)
    given.image[:], given.target[:] = 9, 9
    assert not sample.image.any()
    assert not sample.target.any()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PICTURE, r"apply gave a numpy array, uint8 \[8, 8, 3\]; expected a picture and its facts"),
        ((PICTURE, {"table": PICTURE}), "its facts are no plain values"),
        ((PICTURE, None), "its facts are no plain values"),
    ],
)
def test_facts_of_a_condition_are_plain(answer: Any, said: str) -> None:
    condition = type("Mine", (), {"label": "mine", "axis": None, "apply": lambda self, image, draw: answer})()
    with pytest.raises(QbenchError, match=said):
        ForeignCondition(condition, entry("condition", type(condition))).apply(PICTURE, Draw(0, "a"))


def test_ours_are_known_by_where_they_are_declared_and_not_by_what_they_say() -> None:
    assert all(registry.get("method", name).builtin for name in ("direct", "arcnn", "afd"))
    pretender = type("Direct", (), {"__module__": "qbench.methods.direct", "__qualname__": "Direct"})
    assert not registry.Entry("method", "pretender", pretender).builtin


@qbench.method("boundary-scribble", site="image")
class Scribble:
    def restore(self, images: Tensor, context: Any) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return scribble(images, context)


@qbench.method("boundary-hook", site="feature")
class Hook:
    """Changes the network that it is lent in its set-up."""

    at = "D2"

    def setup(self, setup: Any) -> None:
        setup.model.net.train()
        for parameter in setup.model.net.parameters():
            parameter.data.zero_()

    def enhance(self, features: Tensor, images: Tensor, context: Any) -> Tensor:
        return features


@qbench.method("boundary-noise", site="image")
class Noise:
    """Draws from the global generator."""

    def restore(self, images: Tensor, context: Any) -> Tensor:
        return (images + 0.1 * torch.randn_like(images)).clamp(0, 1)


def scores(out: Path, methods: list[str]) -> dict[str, list[float]]:
    task = {
        "dataset": {"name": "scenes", "count": 4}, "models": ["builtin:scenes"], "methods": methods,
        "conditions": [{"jpeg": {"quality": 25}}],
    }  # fmt: skip
    results = qbench.run({"suite": "boundary", "engine": {"batch": 2}, "tasks": [task]}, out=out, device="cpu")
    records = results.records()
    return {name: list(records[records["method"] == name]["nll"]) for name in methods}


def test_no_cell_beside_a_plug_in_changes_and_the_same_command_gives_the_same_numbers(tmp_path: Path) -> None:
    alone = scores(tmp_path / "alone", ["direct", "arcnn"])
    methods = ["boundary-hook", "boundary-scribble", "boundary-noise", "direct", "arcnn"]
    beside = scores(tmp_path / "beside", methods)
    assert {name: beside[name] for name in alone} == alone
    assert beside["boundary-hook"] == beside["boundary-scribble"] == alone["direct"]
    assert (
        beside["boundary-noise"] == scores(tmp_path / "again", ["boundary-noise"])["boundary-noise"] != alone["direct"]
    )


class Counting(nn.Module):
    """A network whose answer depends on what it saw before."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen += 1
        return pictures.new_zeros(len(pictures), 24) + self.seen


@pytest.mark.parametrize(
    ("network", "options", "line"),
    [
        (Counting(), {"strict": True}, "changed 'seen' while it predicted"),
        (nn.Conv2d(3, 24, 1).half(), {"strict": True}, "the network has torch.float16 weights"),
        (nn.Conv2d(3, 24, 1), {"output": [1]}, r"`output` is \[1\]; expected the name or the number"),
        (nn.Conv2d(3, 24, 1), {"output": True}, "`output` is True; expected the name or the number"),
        (nn.Conv2d(3, 24, 1), {"input": 224}, "`input` is 224; expected a qbench.vocabulary.InputConvention"),
    ],
)
def test_a_live_network_is_checked(network: nn.Module, options: dict[str, Any], line: str, tmp_path: Path) -> None:
    suite = {"suite": "live", "tasks": [{"dataset": {"name": "scenes", "count": 2}, "conditions": ["clean"]}]}
    with pytest.raises(QbenchError, match=line):
        qbench.run(suite, models={"mine": network}, out=tmp_path, device="cpu", **options)


def test_notes_of_a_dataset_are_kept() -> None:
    class Noted:
        label = "noted"

        def manifest(self) -> Manifest:
            return Manifest(("a",), ("b",), ("2 files are left out",))

    assert ForeignDataset(Noted(), entry("dataset", Noted)).manifest().notes == ("2 files are left out",)  # type: ignore[arg-type]

"""Detectors of transformers against the library called directly, from folders that the tests write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qbench.errors import QbenchError, WeightsError
from qbench.models.detection.transformers import HfDetection

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow


def yolos(classes: dict[int, str]) -> tuple[Any, Any]:
    config = transformers.YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=[32, 48],
        num_detection_tokens=6, id2label=classes, label2id={name: place for place, name in classes.items()},
    )  # fmt: skip
    processor = transformers.YolosImageProcessor(size={"shortest_edge": 32, "longest_edge": 48})
    return transformers.YolosForObjectDetection(config), processor


def rt_detr(classes: dict[int, str]) -> tuple[Any, Any]:
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 16, 16], encoder_ffn_dim=16,
        d_model=16, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, num_queries=8, decoder_layers=1,
        decoder_attention_heads=2, encoder_attention_heads=2, num_denoising=0, id2label=classes,
        label2id={name: place for place, name in classes.items()},
    )  # fmt: skip
    return transformers.RTDetrForObjectDetection(config), transformers.RTDetrImageProcessor(
        size={"height": 64, "width": 64}
    )


CLASSES = {0: "N/A", 1: "cell", 2: "N/A", 3: "platelet"}
KINDS = {"yolos": yolos, "rt-detr": rt_detr}


def folder(root: Path, kind: str) -> tuple[Path, Any, Any]:
    torch.manual_seed(0)
    net, processor = KINDS[kind](CLASSES)
    for name, parameter in net.named_parameters():
        if name.startswith(("class_labels", "bbox_pred", "model.enc")):
            torch.nn.init.normal_(parameter, std=0.5)
        if name == "class_labels_classifier.layers.2.bias":
            parameter.data += torch.tensor([-3.0, 2, -3, 2, 0])
    net.eval().save_pretrained(root)
    processor.save_pretrained(root)
    return root, net, processor


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("yolos", {}), ("rt-detr", {}), ("yolos", {"do_rescale": False}), ("yolos", {"rescale_factor": 1 / 127.5})],
)
def test_a_folder_finds_what_the_library_finds(kind: str, changes: dict[str, Any], tmp_path: Path) -> None:
    root, net, processor = folder(tmp_path / kind, kind)
    for name, value in changes.items():
        setattr(processor, name, value)
    processor.save_pretrained(root)
    with torch.inference_mode():
        numbers = [(picture * 255).numpy() for picture in pictures()]
        given = processor(images=numbers, return_tensors="pt")
        output = net(pixel_values=given["pixel_values"])
        direct = processor.post_process_object_detection(output, threshold=0.0, target_sizes=[(40, 56)] * 2)
        predicted = HfDetection(name=str(root)).build().predict(pictures())
    for boxes, expected in zip(predicted, direct, strict=True):
        kept = torch.isin(expected["labels"], torch.tensor([1, 3]))
        assert kept.any()
        assert boxes.labels.tolist() == ((expected["labels"][kept] - 1) // 2).tolist()
        np.testing.assert_allclose(boxes.corners, expected["boxes"][kept].numpy(), rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(boxes.scores, expected["scores"][kept].numpy(), rtol=1e-3, atol=1e-5)


def test_weights_go_round(tmp_path: Path) -> None:
    root, net, _ = folder(tmp_path / "yolos", "yolos")
    state = {name: tensor + 0.01 for name, tensor in load_file(root / "model.safetensors").items()}
    own_names = {name: tensor + 0.01 for name, tensor in net.state_dict().items()}
    assert state.keys() != own_names.keys(), "published checkpoints have names of their own"
    (root / "model.safetensors").unlink()
    for kind in (state, own_names):
        save_file(kind, tmp_path / "w.safetensors")
        loaded = HfDetection(name=str(root), weights=tmp_path / "w.safetensors").build()
        loaded_state = loaded.net.get_submodule("net").state_dict()
        assert loaded_state.keys() == own_names.keys()
        assert all(torch.equal(loaded_state[name], tensor) for name, tensor in own_names.items())


def test_other_classes_draw_the_head_anew(tmp_path: Path) -> None:
    root, net, _ = folder(tmp_path / "yolos", "yolos")
    heads = []
    for seed in (0, 0, 1):
        loaded = HfDetection(name=str(root), classes=2, seed=seed).build()
        state = loaded.net.get_submodule("net").state_dict()
        assert torch.equal(state["bbox_predictor.layers.0.weight"], net.state_dict()["bbox_predictor.layers.0.weight"])
        heads.append(state["class_labels_classifier.layers.2.weight"])
    assert len(heads[0]) == 3, "two classes and none"
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert all(set(boxes.labels) <= {0, 1} for boxes in loaded.predict(pictures()))


def test_misfits_are_refused(tmp_path: Path) -> None:
    root, *_ = folder(tmp_path / "yolos", "yolos")
    state = load_file(root / "model.safetensors")
    save_file({name: tensor for name, tensor in state.items() if "bbox" not in name}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="missing"):
        HfDetection(name=str(root), weights=tmp_path / "w.safetensors").build()
    with pytest.raises(WeightsError, match=r"is \(.*\), expected \(8"):
        HfDetection(name=str(root), weights=root / "model.safetensors", classes=7).build()
    save_file(
        {name: tensor for name, tensor in state.items() if "bbox" not in name},
        root / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(WeightsError, match=r"do not fit YolosForObjectDetection: 6 missing, first 'bbox_predictor"):
        HfDetection(name=str(root)).build()


def test_a_folder_without_its_files_says_which(tmp_path: Path) -> None:
    with pytest.raises(
        QbenchError, match=r"cannot be loaded; give a folder with config.json, preprocessor_config.json"
    ):
        HfDetection(name=str(tmp_path)).build()


def test_identity_follows_the_folder_s_files(tmp_path: Path) -> None:
    root, *_ = folder(tmp_path / "yolos", "yolos")
    before = HfDetection(name=str(root)).identity()
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= set(before["architecture"])
    assert HfDetection(name=str(root), classes=2).identity() != before
    (root / "preprocessor_config.json").write_text("{}")
    assert HfDetection(name=str(root)).identity() != before
    assert HfDetection(name=str(root)).label == "hf-detection:yolos"
    assert HfDetection(name="facebook/detr").identity()["architecture"] == "hub:facebook/detr@main"


def test_classes_that_are_numbered_otherwise_are_told(tmp_path: Path) -> None:
    root, net, _ = folder(tmp_path / "yolos", "yolos")
    net.config.id2label = {place + 1: name for place, name in CLASSES.items()}
    net.config.save_pretrained(root)
    with pytest.raises(QbenchError, match=r"`id2label` numbers classes 1 to 4; expected 0 to 3, each once"):
        HfDetection(name=str(root)).build()

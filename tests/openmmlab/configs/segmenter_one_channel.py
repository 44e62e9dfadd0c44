"""One logit a pixel, which wins above a threshold of its own."""

_base_ = "../../../baselines/openmmlab/scenes_segmenter.py"

model = dict(decode_head=dict(num_classes=2, out_channels=1, threshold=0.4, loss_decode=dict(use_sigmoid=True)))

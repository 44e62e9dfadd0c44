"""Semantic FPN on a narrow ResNet, for built-in scenes of 128 pixels: a configuration of MMSegmentation 1.2.

A. Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019, arXiv 1901.02446: the pyramid's levels of strides 4, 8
and 16 are added up at stride 4. Class 0 is the background."""

default_scope = "mmseg"
classes = 25
width = 24
neck = 64

norm = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[114.75, 114.75, 114.75],
        std=[63.75, 63.75, 63.75],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=16,
        test_cfg=dict(size_divisor=16),
    ),
    backbone=dict(
        type="ResNet",
        depth=18,
        stem_channels=width,
        base_channels=width,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        norm_cfg=norm,
        norm_eval=False,
        style="pytorch",
        contract_dilation=True,
    ),
    neck=dict(type="FPN", in_channels=[width, 2 * width, 4 * width], out_channels=neck, num_outs=3, norm_cfg=norm),
    decode_head=dict(
        type="FPNHead",
        in_channels=[neck, neck, neck],
        in_index=[0, 1, 2],
        feature_strides=[4, 8, 16],
        channels=neck,
        dropout_ratio=0.0,
        num_classes=classes,
        norm_cfg=norm,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)

train_pipeline = [
    dict(type="LoadImageFromNDArray"),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="RandomFlip", prob=0.5, direction="vertical"),
    dict(type="PackSegInputs"),
]
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="PackSegInputs")]

steps = 1400
train_cfg = dict(type="IterBasedTrainLoop", max_iters=steps, val_interval=10 * steps)
train_batch = 16
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=2.0e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=steps, T_max=steps - 100, eta_min=0.0),
]

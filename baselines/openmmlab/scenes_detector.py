"""FCOS on a narrow ResNet, for built-in scenes of 128 pixels: a configuration of MMDetection 3.3.

Z. Tian et al., FCOS, ICCV 2019, arXiv 1904.01355, with its later improvements: centre sampling, distances in strides,
centerness beside the box. Levels of strides 8, 16 and 32."""

default_scope = "mmdet"
classes = 24
width = 24
neck = 64

norm = dict(type="BN", requires_grad=True)
model = dict(
    type="FCOS",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[114.75, 114.75, 114.75],
        std=[63.75, 63.75, 63.75],
        bgr_to_rgb=True,
        pad_size_divisor=32,
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
        frozen_stages=-1,
        style="pytorch",
    ),
    neck=dict(
        type="FPN",
        in_channels=[width, 2 * width, 4 * width],
        out_channels=neck,
        start_level=1,
        add_extra_convs="on_output",
        num_outs=3,
        relu_before_extra_convs=True,
        norm_cfg=norm,
    ),
    bbox_head=dict(
        type="FCOSHead",
        num_classes=classes,
        in_channels=neck,
        feat_channels=neck,
        stacked_convs=2,
        strides=[8, 16, 32],
        regress_ranges=((-1, 32), (32, 64), (64, 1e8)),
        center_sampling=True,
        center_sample_radius=1.5,
        norm_on_bbox=True,
        centerness_on_reg=True,
        norm_cfg=norm,
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=1.0),
        loss_centerness=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
    ),
    train_cfg=None,
    test_cfg=dict(
        nms_pre=300, min_bbox_size=0, score_thr=0.02, nms=dict(type="nms", iou_threshold=0.6), max_per_img=100
    ),
)

shape = ("img_path", "ori_shape", "img_shape", "scale_factor", "flip", "flip_direction")
train_pipeline = [
    dict(type="LoadImageFromNDArray"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomFlip", prob=[0.25, 0.25, 0.25], direction=["horizontal", "vertical", "diagonal"]),
    dict(type="PackDetInputs", meta_keys=shape),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=1.0, keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=shape[:4]),
]
test_dataloader = dict(dataset=dict(type="CocoDataset", pipeline=test_pipeline))

steps = 2500
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

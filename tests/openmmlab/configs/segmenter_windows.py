"""A deep stem, a pyramid pooling head beside an auxiliary one, synchronised norms, and windows over scaled pictures."""

default_scope = "mmseg"
width = 16

norm = dict(type="SyncBN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(96, 96),
    ),
    backbone=dict(
        type="ResNetV1c",
        depth=18,
        stem_channels=width,
        base_channels=width,
        num_stages=3,
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        out_indices=(1, 2),
        norm_cfg=norm,
        contract_dilation=True,
    ),
    decode_head=dict(
        type="PSPHead",
        in_channels=4 * width,
        in_index=1,
        channels=32,
        pool_scales=(1, 2, 3),
        dropout_ratio=0.1,
        num_classes=7,
        norm_cfg=norm,
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type="FCNHead",
        in_channels=2 * width,
        in_index=0,
        channels=16,
        num_convs=1,
        num_classes=7,
        norm_cfg=norm,
        align_corners=True,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.4),
    ),
    test_cfg=dict(mode="slide", crop_size=(96, 96), stride=(64, 64)),
)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(320, 140), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]

# Mask R-CNN with a feature pyramid of 128 channels on EfficientNet-Lite2; boxes and masks are class-agnostic.
# For MMDetection 2.x. 80 COCO classes, 9.2 million parameters.
custom_imports = dict(imports=["app.vision.analyses.objects.backbones.efficientnet_lite"], allow_failed_imports=False)

channels = 128
strides = [4, 8, 16, 32]
model = dict(
    type="MaskRCNN",
    # Outputs of blocks 3, 6, 14 and 20: 24, 48, 120 and 352 channels at strides 4, 8, 16 and 32.
    backbone=dict(type="EfficientNetLite", variant="efficientnet-lite2", out_indices=(3, 6, 14, 20)),
    neck=dict(type="FPN", in_channels=[24, 48, 120, 352], out_channels=channels, num_outs=5),
    rpn_head=dict(
        type="RPNHead",
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(
            type="AnchorGenerator", scales=[4, 8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True),
        loss_bbox=dict(type="L1Loss"),
    ),
    roi_head=dict(
        type="StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2),
            out_channels=channels,
            featmap_strides=strides,
        ),
        bbox_head=dict(
            type="Shared2FCBBoxHead",
            in_channels=channels,
            fc_out_channels=512,
            roi_feat_size=7,
            num_classes=80,
            bbox_coder=dict(
                type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]
            ),
            reg_class_agnostic=True,
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False),
            loss_bbox=dict(type="L1Loss"),
        ),
        mask_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2),
            out_channels=channels,
            featmap_strides=strides,
        ),
        mask_head=dict(
            type="FCNMaskHead",
            num_convs=3,
            in_channels=channels,
            conv_out_channels=channels,
            num_classes=80,
            class_agnostic=True,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True),
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=500, max_per_img=300, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5),
    ),
)

dataset_type = "CocoDataset"
img_norm_cfg = dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0], to_rgb=True)
# Long and short side at most, aspect kept, padded to a multiple of 32.
img_scale = (746, 448)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="MultiScaleFlipAug",
        img_scale=img_scale,
        flip=False,
        transforms=[
            dict(type="Resize", keep_ratio=True),
            dict(type="RandomFlip"),
            dict(type="Normalize", **img_norm_cfg),
            dict(type="Pad", size_divisor=32),
            dict(type="ImageToTensor", keys=["img"]),
            dict(type="Collect", keys=["img"]),
        ],
    ),
]
data = dict(test=dict(type=dataset_type, pipeline=test_pipeline))

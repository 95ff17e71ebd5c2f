# Mask R-CNN R50-FPN, torchvision's second version (maskrcnn_resnet50_fpn_v2), for MMDetection 2.x: box AP 47.4,
# mask AP 41.8. Two convolutions in the proposal network, four and one layer in the box head, norms everywhere.
_base_ = "mask_rcnn_r50_fpn.py"

norm = dict(type="BN")
model = dict(
    backbone=dict(norm_cfg=dict(eps=1e-5)),
    neck=dict(norm_cfg=norm),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type="Shared4Conv1FCBBoxHead", norm_cfg=norm),
        mask_head=dict(norm_cfg=norm),
    ),
)

"""DINO's Vision Transformer (Caron et al. 2021, arXiv:2104.14294): DINOv2's without scaled branches and mask token.

Positions are resized as DINOv2's hub does for models without registers, which took that over from here
(facebookresearch/dino, vision_transformer.py, interpolate_pos_encoding).
"""

from __future__ import annotations

from dinosearch.embedding.families.backbone import Family, State
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer

_TRAINING = ("head.", "pooler.", "classifier.", "fc_norm.")
"""Beginnings of keys that files may hold and the features do not need: DINO's projection, others' classifiers."""

# Keys of transformers' ViTModel, as facebook/dino-vits16 and its like are published and as version 5 names them in
# memory. timm's are the official ones.
RENAMED: tuple[tuple[str, str], ...] = (
    (r"^vit\.", ""),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(encoder\.layer|layers)\.(\d+)\.", r"blocks.\2."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.attention\.(attention\.query|q_proj)\.", ".attn.qkv.0."),
    (r"\.attention\.(attention\.key|k_proj)\.", ".attn.qkv.1."),
    (r"\.attention\.(attention\.value|v_proj)\.", ".attn.qkv.2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"(\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^layernorm\.", "norm."),
)


def _adapted(state: State, config: TransformerConfig) -> State:
    return {key: value for key, value in state.items() if not key.startswith(_TRAINING)}


FAMILY = Family(TransformerConfig, VisionTransformer, RENAMED, _adapted)

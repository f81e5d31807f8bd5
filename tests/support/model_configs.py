"""config.json of published models, cut to what tells of their shape: name in the catalogue -> config."""

from __future__ import annotations

from typing import Any

__all__ = ["CONFIGS"]

FP8_BLOCKS = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}


def _every(count: int, period: int, common: str, other: str) -> list[str]:
    """`other` at each last place of a period."""
    return [other if (each + 1) % period == 0 else common for each in range(count)]


CONFIGS: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.1-8B-Instruct": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "max_position_embeddings": 131072, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "pretraining_tp": 1, "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
    },
    "meta-llama/Llama-2-7b-hf": {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096,
        "tie_word_embeddings": False, "torch_dtype": "float16",
    },
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": {
        "architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4", "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "llama4_text", "attention_chunk_size": 8192, "head_dim": 128, "hidden_size": 5120,
            "interleave_moe_layer_step": 1, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
            "max_position_embeddings": 10485760, "num_attention_heads": 40, "num_experts_per_tok": 1,
            "num_hidden_layers": 48, "num_key_value_heads": 8, "num_local_experts": 16, "vocab_size": 202048,
            "no_rope_layers": [],
        },
        "vision_config": {"hidden_size": 1408, "num_hidden_layers": 34, "num_attention_heads": 16},
    },
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": {
        "model_type": "llama4",
        "text_config": {
            "model_type": "llama4_text", "attention_chunk_size": 8192, "head_dim": 128, "hidden_size": 5120,
            "interleave_moe_layer_step": 2, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
            "max_position_embeddings": 1048576, "num_attention_heads": 40, "num_experts_per_tok": 1,
            "num_hidden_layers": 48, "num_key_value_heads": 8, "num_local_experts": 128, "vocab_size": 202048,
            "no_rope_layers": [1, 1, 1, 0] * 12, "tie_word_embeddings": False,
        },
    },
    "Qwen/Qwen2.5-7B-Instruct": {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "max_position_embeddings": 32768,
        "max_window_layers": 28, "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
        "sliding_window": 131072, "tie_word_embeddings": False, "use_sliding_window": False, "vocab_size": 152064,
        "torch_dtype": "bfloat16",
    },
    "Qwen/Qwen3-0.6B": {
        "model_type": "qwen3", "head_dim": 128, "hidden_size": 1024, "intermediate_size": 3072,
        "max_position_embeddings": 40960, "max_window_layers": 28, "num_attention_heads": 16, "num_hidden_layers": 28,
        "num_key_value_heads": 8, "sliding_window": None, "tie_word_embeddings": True, "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "Qwen/Qwen3-235B-A22B-FP8": {
        "model_type": "qwen3_moe", "decoder_sparse_step": 1, "head_dim": 128, "hidden_size": 4096,
        "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 94, "mlp_only_layers": [],
        "moe_intermediate_size": 1536, "num_attention_heads": 64, "num_experts": 128, "num_experts_per_tok": 8,
        "num_hidden_layers": 94, "num_key_value_heads": 4, "quantization_config": FP8_BLOCKS, "sliding_window": None,
        "tie_word_embeddings": False, "use_sliding_window": False, "vocab_size": 151936,
    },
    "Qwen/Qwen3-Next-80B-A3B-Instruct": {
        "model_type": "qwen3_next", "decoder_sparse_step": 1, "full_attention_interval": 4, "head_dim": 256,
        "hidden_size": 2048, "intermediate_size": 5120, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128,
        "max_position_embeddings": 262144, "mlp_only_layers": [], "moe_intermediate_size": 512,
        "num_attention_heads": 16, "num_experts": 512, "num_experts_per_tok": 10, "num_hidden_layers": 48,
        "num_key_value_heads": 2, "shared_expert_intermediate_size": 512, "tie_word_embeddings": False,
        "vocab_size": 151936,
    },
    "Qwen/Qwen3.5-0.8B": {
        "architectures": ["Qwen3_5ForConditionalGeneration"], "model_type": "qwen3_5",
        "text_config": {
            "attn_output_gate": True, "full_attention_interval": 4, "head_dim": 256, "hidden_size": 1024,
            "intermediate_size": 3584, "layer_types": _every(24, 4, "linear_attention", "full_attention"),
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
            "linear_num_value_heads": 16, "linear_value_head_dim": 128, "max_position_embeddings": 262144,
            "mlp_only_layers": [], "model_type": "qwen3_5_text", "num_attention_heads": 8, "num_hidden_layers": 24,
            "num_key_value_heads": 2, "tie_word_embeddings": True, "vocab_size": 248320,
        },
        "vision_config": {"depth": 12, "hidden_size": 768},
    },
    "Qwen/Qwen3.5-397B-A17B": {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
        "text_config": {
            "attn_output_gate": True, "dtype": "bfloat16", "full_attention_interval": 4, "head_dim": 256,
            "hidden_size": 4096, "layer_types": _every(60, 4, "linear_attention", "full_attention"),
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
            "linear_num_value_heads": 64, "linear_value_head_dim": 128, "max_position_embeddings": 262144,
            "mlp_only_layers": [], "model_type": "qwen3_5_moe_text", "moe_intermediate_size": 1024,
            "mtp_num_hidden_layers": 1, "num_attention_heads": 32, "num_experts": 512, "num_experts_per_tok": 10,
            "num_hidden_layers": 60, "num_key_value_heads": 2, "shared_expert_intermediate_size": 1024,
            "vocab_size": 248320,
        },
        "tie_word_embeddings": False, "vision_config": {"depth": 27, "hidden_size": 1152, "num_heads": 16},
    },
    "deepseek-ai/DeepSeek-V3": {
        "model_type": "deepseek_v3", "first_k_dense_replace": 3, "hidden_size": 7168, "intermediate_size": 18432,
        "kv_lora_rank": 512, "max_position_embeddings": 163840, "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok": 8,
        "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1, "q_lora_rank": 1536,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "quantization_config": FP8_BLOCKS,
        "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 129280, "torch_dtype": "bfloat16",
    },
    "deepseek-ai/DeepSeek-V3.2": {
        "model_type": "deepseek_v32", "first_k_dense_replace": 3, "hidden_size": 7168, "index_head_dim": 128,
        "index_n_heads": 64, "index_topk": 2048, "intermediate_size": 18432, "kv_lora_rank": 512,
        "max_position_embeddings": 163840, "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok": 8,
        "num_hidden_layers": 61, "num_key_value_heads": 128, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "quantization_config": FP8_BLOCKS, "tie_word_embeddings": False, "v_head_dim": 128,
        "vocab_size": 129280,
    },
    "deepseek-ai/DeepSeek-V2-Lite": {
        "model_type": "deepseek_v2", "first_k_dense_replace": 1, "hidden_size": 2048, "intermediate_size": 10944,
        "kv_lora_rank": 512, "max_position_embeddings": 163840, "moe_intermediate_size": 1408, "moe_layer_freq": 1,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 16, "num_experts_per_tok": 6,
        "num_hidden_layers": 27, "num_key_value_heads": 16, "q_lora_rank": None, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 102400,
    },
    "deepseek-ai/DeepSeek-V4-Flash": {
        "model_type": "deepseek_v4", "compress_ratios": [0, 0] + [4, 128] * 20 + [4, 0, 0, 0], "expert_dtype": "fp4",
        "head_dim": 512, "hidden_size": 4096, "index_head_dim": 128, "index_n_heads": 64, "index_topk": 512,
        "max_position_embeddings": 1048576, "moe_intermediate_size": 2048, "n_routed_experts": 256,
        "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 6, "num_hash_layers": 3,
        "num_hidden_layers": 43, "num_key_value_heads": 1, "num_nextn_predict_layers": 1, "o_groups": 8,
        "o_lora_rank": 1024, "q_lora_rank": 1024, "qk_rope_head_dim": 64, "quantization_config": FP8_BLOCKS,
        "sliding_window": 128, "tie_word_embeddings": False, "vocab_size": 129280,
    },
    "moonshotai/Kimi-K2.5": {
        "architectures": ["KimiK25ForConditionalGeneration"], "model_type": "kimi_k25",
        "text_config": {
            "model_type": "kimi_k2", "first_k_dense_replace": 1, "hidden_size": 7168, "intermediate_size": 18432,
            "kv_lora_rank": 512, "max_position_embeddings": 262144, "moe_intermediate_size": 2048,
            "moe_layer_freq": 1, "n_routed_experts": 384, "n_shared_experts": 1, "num_attention_heads": 64,
            "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 64, "q_lora_rank": 1536,
            "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "tie_word_embeddings": False, "v_head_dim": 128,
            "vocab_size": 163840,
            "quantization_config": {
                "quant_method": "compressed-tensors", "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
            },
        },
        "vision_config": {"vt_hidden_size": 1152, "vt_num_hidden_layers": 27},
    },
    "moonshotai/Kimi-K3": {
        "model_type": "kimi_k3",
        "text_config": {
            "model_type": "kimi_linear", "first_k_dense_replace": 1, "hidden_size": 7168, "intermediate_size": 33792,
            "kv_lora_rank": 512, "max_position_embeddings": 1048576, "mla_use_output_gate": True,
            "moe_intermediate_size": 3072, "moe_layer_freq": 1, "num_attention_heads": 96, "num_experts": 896,
            "num_experts_per_token": 16, "num_hidden_layers": 93, "num_key_value_heads": 96,
            "num_shared_experts": 2, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
            "routed_expert_hidden_size": 3584, "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 163840,
            "linear_attn_config": {
                "full_attn_layers": [*range(4, 93, 4), 93], "head_dim": 128, "num_heads": 96,
                "kda_layers": [each for each in range(1, 93) if each % 4], "short_conv_kernel_size": 4,
                "use_full_rank_gate": True,
            },
            "quantization_config": {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"},
        },
        "vision_config": {"patch_size": 14},
    },
    "openai/gpt-oss-120b": {
        "model_type": "gpt_oss", "experts_per_token": 4, "head_dim": 64, "hidden_size": 2880,
        "intermediate_size": 2880, "layer_types": _every(36, 2, "sliding_attention", "full_attention"),
        "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4,
        "num_hidden_layers": 36, "num_key_value_heads": 8, "num_local_experts": 128,
        "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
        "sliding_window": 128, "tie_word_embeddings": False, "vocab_size": 201088,
    },
    "zai-org/GLM-4.5-Air": {
        "model_type": "glm4_moe", "attention_bias": True, "first_k_dense_replace": 1, "head_dim": 128,
        "hidden_size": 4096, "intermediate_size": 10944, "max_position_embeddings": 131072,
        "moe_intermediate_size": 1408, "n_routed_experts": 128, "n_shared_experts": 1, "num_attention_heads": 96,
        "num_experts_per_tok": 8, "num_hidden_layers": 46, "num_key_value_heads": 8, "partial_rotary_factor": 0.5,
        "tie_word_embeddings": False, "vocab_size": 151552, "dtype": "bfloat16",
    },
    "zai-org/GLM-5": {
        "model_type": "glm_moe_dsa", "first_k_dense_replace": 3, "head_dim": 64, "hidden_size": 6144,
        "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048, "intermediate_size": 12288,
        "kv_lora_rank": 512, "max_position_embeddings": 202752, "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 8,
        "num_hidden_layers": 78, "num_key_value_heads": 64, "q_lora_rank": 2048, "qk_nope_head_dim": 192,
        "qk_rope_head_dim": 64, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "v_head_dim": 256,
        "vocab_size": 154880,
    },
    "zai-org/GLM-4.7-Flash": {
        "model_type": "glm4_moe_lite", "num_hidden_layers": 47, "hidden_size": 2048, "num_attention_heads": 20,
        "num_key_value_heads": 20, "head_dim": 64, "intermediate_size": 10240, "vocab_size": 154880,
        "max_position_embeddings": 202752, "n_routed_experts": 64, "n_shared_experts": 1, "num_experts_per_tok": 4,
        "moe_intermediate_size": 1536, "first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": 768,
        "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256, "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
    },
    "MiniMaxAI/MiniMax-M2": {
        "model_type": "minimax_m2", "attn_type_list": [1] * 62, "head_dim": 128, "hidden_size": 3072,
        "intermediate_size": 1536, "max_position_embeddings": 196608, "num_attention_heads": 48,
        "num_experts_per_tok": 8, "num_hidden_layers": 62, "num_key_value_heads": 8, "num_local_experts": 256,
        "quantization_config": FP8_BLOCKS, "shared_intermediate_size": 0, "sliding_window": None,
        "tie_word_embeddings": False, "vocab_size": 200064,
    },
    "MiniMaxAI/MiniMax-M3": {
        "model_type": "minimax_m3_vl", "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "minimax_m3", "hidden_size": 6144, "intermediate_size": 3072,
            "dense_intermediate_size": 12288, "shared_intermediate_size": 3072, "n_shared_experts": 1,
            "num_hidden_layers": 60, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
            "vocab_size": 200064, "num_local_experts": 128, "num_experts_per_tok": 4,
            "moe_layer_freq": [0] * 3 + [1] * 57, "max_position_embeddings": 1048576, "tie_word_embeddings": False,
        },
    },
    "XiaomiMiMo/MiMo-V2-Flash": {
        "model_type": "mimo_v2_flash", "vocab_size": 152576, "hidden_size": 4096, "num_hidden_layers": 48,
        "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 192, "v_head_dim": 128,
        "swa_num_attention_heads": 64, "swa_num_key_value_heads": 8, "swa_head_dim": 192, "swa_v_head_dim": 128,
        "intermediate_size": 16384, "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": None,
        "num_experts_per_tok": 8, "sliding_window": 128, "sliding_window_size": 128,
        "hybrid_layer_pattern": [int(not (each == 0 or (each + 1) % 6 == 0)) for each in range(48)],
        "moe_layer_freq": [0] + [1] * 47, "max_position_embeddings": 262144, "tie_word_embeddings": False,
        "quantization_config": FP8_BLOCKS,
    },
    "stepfun-ai/Step-3.7-Flash": {
        "model_type": "step3p7",
        "text_config": {
            "model_type": "step3p5", "hidden_size": 4096, "intermediate_size": 11264, "num_hidden_layers": 45,
            "num_nextn_predict_layers": 3, "num_attention_heads": 64, "num_attention_groups": 8, "head_dim": 128,
            "vocab_size": 128896, "max_position_embeddings": 65536, "moe_num_experts": 288, "moe_top_k": 8,
            "moe_intermediate_size": 1280, "share_expert_dim": 1280,
            "moe_layers_enum": ",".join(str(each) for each in range(3, 45)), "sliding_window": 512,
            "layer_types": ["sliding_attention" if each % 4 else "full_attention" for each in range(48)],
        },
    },
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": {
        "model_type": "kimi_linear", "first_k_dense_replace": 1, "head_dim": 72, "hidden_size": 2304,
        "intermediate_size": 9216, "kv_lora_rank": 512, "model_max_length": 1048576, "moe_intermediate_size": 1024,
        "max_position_embeddings": 1048576, "moe_layer_freq": 1, "num_attention_heads": 32, "num_experts": 256,
        "num_experts_per_token": 8, "num_hidden_layers": 27, "num_key_value_heads": 32, "num_shared_experts": 1,
        "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "tie_word_embeddings": False,
        "v_head_dim": 128, "vocab_size": 163840, "torch_dtype": "bfloat16",
        "linear_attn_config": {
            "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128, "num_heads": 32,
            "kda_layers": [each for each in range(1, 27) if each % 4], "short_conv_kernel_size": 4,
        },
    },
    "baidu/ERNIE-4.5-21B-A3B-PT": {
        "model_type": "ernie4_5_moe", "hidden_size": 2560, "intermediate_size": 12288,
        "max_position_embeddings": 131072, "moe_intermediate_size": 1536, "moe_k": 6, "moe_layer_start_index": 1,
        "moe_num_experts": 64, "moe_num_shared_experts": 2, "num_attention_heads": 20, "num_hidden_layers": 28,
        "num_key_value_heads": 4, "tie_word_embeddings": True, "vocab_size": 103424,
    },
    "CohereForAI/c4ai-command-r7b-12-2024": {
        "model_type": "cohere2", "head_dim": 128, "hidden_size": 4096, "intermediate_size": 14336,
        "max_position_embeddings": 131072, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "sliding_window": 4096, "sliding_window_pattern": 4, "vocab_size": 256000,
    },
    "tiiuae/falcon-7b": {
        "model_type": "falcon", "hidden_size": 4544, "multi_query": True, "new_decoder_architecture": False,
        "num_attention_heads": 71, "num_hidden_layers": 32, "num_kv_heads": 71, "vocab_size": 65024,
        "max_position_embeddings": 2048,
    },
    "tiiuae/falcon-40b": {
        "model_type": "falcon", "hidden_size": 8192, "multi_query": True, "new_decoder_architecture": True,
        "num_attention_heads": 128, "num_hidden_layers": 60, "num_kv_heads": 8, "vocab_size": 65024,
        "max_position_embeddings": 2048,
    },
    "openai-community/gpt2": {
        "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
        "vocab_size": 50257,
    },
    "google/gemma-2-9b-it": {
        "model_type": "gemma2", "head_dim": 256, "hidden_size": 3584, "intermediate_size": 14336,
        "max_position_embeddings": 8192, "num_attention_heads": 16, "num_hidden_layers": 42,
        "num_key_value_heads": 8, "query_pre_attn_scalar": 256, "sliding_window": 4096, "vocab_size": 256000,
    },
    "google/gemma-3-4b-it": {
        "model_type": "gemma3",
        "text_config": {
            "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024,
        },
        "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    },
    "google/gemma-3-1b-it": {
        "model_type": "gemma3_text", "head_dim": 256, "hidden_size": 1152, "intermediate_size": 6912,
        "max_position_embeddings": 32768, "num_attention_heads": 4, "num_hidden_layers": 26,
        "num_key_value_heads": 1, "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 262144,
    },
    "google/gemma-4-26B-A4B": {
        "model_type": "gemma4", "tie_word_embeddings": True,
        "text_config": {
            "model_type": "gemma4_text", "dtype": "bfloat16", "vocab_size": 262144, "hidden_size": 2816,
            "intermediate_size": 2112, "num_hidden_layers": 30, "num_attention_heads": 16, "num_key_value_heads": 8,
            "head_dim": 256, "max_position_embeddings": 262144, "global_head_dim": 512,
            "num_global_key_value_heads": 2, "enable_moe_block": True, "num_experts": 128, "top_k_experts": 8,
            "moe_intermediate_size": 704, "sliding_window": 1024, "attention_k_eq_v": True,
            "layer_types": _every(30, 6, "sliding_attention", "full_attention"),
        },
    },
    "mistralai/Mistral-7B-v0.1": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "sliding_window": 4096,
        "tie_word_embeddings": False, "vocab_size": 32000,
    },
    "mistralai/Mistral-7B-Instruct-v0.3": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "sliding_window": None,
        "tie_word_embeddings": False, "vocab_size": 32768,
    },
    "mistralai/Mixtral-8x7B-Instruct-v0.1": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_key_value_heads": 8,
        "num_local_experts": 8, "sliding_window": None, "tie_word_embeddings": False, "vocab_size": 32000,
    },
    "nvidia/Nemotron-H-56B-Base-8K": {
        "model_type": "nemotron_h", "hidden_size": 8192, "intermediate_size": 32768, "num_attention_heads": 64,
        "num_key_value_heads": 8, "attention_head_dim": 128, "vocab_size": 131072, "num_hidden_layers": 118,
        "hybrid_override_pattern": "M-" * 54 + "*" * 10, "mamba_num_heads": 256, "mamba_head_dim": 64, "n_groups": 8,
        "ssm_state_size": 256, "conv_kernel": 4, "max_position_embeddings": 8192, "tie_word_embeddings": False,
    },
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": {
        "model_type": "nemotron_h", "conv_kernel": 4, "head_dim": 128, "hidden_size": 2688,
        "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", "intermediate_size": 1856,
        "mamba_head_dim": 64, "mamba_num_heads": 64, "max_position_embeddings": 262144,
        "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712, "n_groups": 8,
        "n_routed_experts": 128, "n_shared_experts": 1, "num_attention_heads": 32, "num_experts_per_tok": 6,
        "num_hidden_layers": 52, "num_key_value_heads": 2, "ssm_state_size": 128, "tie_word_embeddings": False,
        "vocab_size": 131072, "torch_dtype": "bfloat16",
    },
    "microsoft/phi-2": {
        "model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "max_position_embeddings": 2048,
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "tie_word_embeddings": False,
        "vocab_size": 51200, "torch_dtype": "float16",
    },
    "microsoft/Phi-3.5-MoE-instruct": {
        "model_type": "phimoe", "hidden_size": 4096, "intermediate_size": 6400, "max_position_embeddings": 131072,
        "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_key_value_heads": 8,
        "num_local_experts": 16, "sliding_window": 131072, "tie_word_embeddings": False, "vocab_size": 32064,
    },
    "facebook/opt-13b": {
        "model_type": "opt", "ffn_dim": 20480, "hidden_size": 5120, "max_position_embeddings": 2048,
        "num_attention_heads": 40, "num_hidden_layers": 40, "vocab_size": 50272, "word_embed_proj_dim": 5120,
    },
    "bigscience/bloom": {
        "model_type": "bloom", "n_layer": 70, "num_attention_heads": 112, "hidden_size": 14336,
        "seq_length": 2048, "vocab_size": 250880,
    },
}  # fmt: skip
"""Each as its publisher has it, but for fields that say nothing of the shape."""

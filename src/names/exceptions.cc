#include "names/exceptions.h"

#include <string>

namespace crossload::names {
namespace {

constexpr KindRow kKinds[] = {
    // Word embeddings of these are Keras layers; elsewhere their models add the matrix by hand, as `weight`.
    {"blip esm layoutlmv3", "word_embeddings", Kind::kEmbedding},
    {"", "word_embeddings", Kind::kPlain},
    {"clip groupvit", "token_embedding", Kind::kPlain},             // added by hand
    {"flaubert xlm", "embeddings", Kind::kPlain},                   // TFSharedEmbeddings
    {"gptj", "wte", Kind::kPlain},                                  // TFSharedEmbeddings
    {"openai-gpt", "tokens_embed", Kind::kPlain},                   // TFSharedEmbeddings
    {"openai-gpt", "positions_embed", Kind::kEmbedding},            // the word at the end is no sign of one elsewhere
    {"opt speech_to_text xglm", "embed_tokens", Kind::kPlain},      // TFSharedEmbeddings
    {"whisper", "embed_positions", Kind::kPlain},                   // a layer of its own that adds a matrix
    {"xlnet", "word_embedding", Kind::kPlain},                      // TFSharedEmbeddings
    {"ctrl", "w", Kind::kEmbedding},                                // its word embeddings
    {"mpnet mt5 t5", "relative_attention_bias", Kind::kEmbedding},  // nn.Embedding under another name
    {"deberta deberta-v2", "rel_embeddings", Kind::kPlain},         // added by hand
    {"transfo-xl", "emb_layers.#", Kind::kEmbedding},               // adaptive embeddings, a list
    {"transfo-xl", "out_layers.#", Kind::kPlain},                   // they are shared with the embeddings
    {"transfo-xl", "emb_projs.#", Kind::kDense},                    // bare parameters that the cross-loader turns
    {"transfo-xl", "out_projs.#", Kind::kDense},
    {"gpt2 openai-gpt", "c_*", Kind::kConv1D},                    // Transformers' own Conv1D
    {"", "q_attn", Kind::kConv1D},                                // GPT-2's cross attention
    {"mobilebert", "predictions.dense", Kind::kPlain},            // the rest of a decoder matrix that is cut in two
    {"mobilebert rembert", "predictions.decoder", Kind::kPlain},  // decoders added by hand
    {"mobilebert", "transform.LayerNorm", Kind::kNormalization},
    {"mobilebert", "LayerNorm", Kind::kPlain},             // its own normalization without statistics
    {"idefics", "lm_head", Kind::kPlain},                  // TFIdeficsDecoupledLinear
    {"idefics mistral", "input_layernorm", Kind::kPlain},  // RMS normalization
    {"idefics mistral", "post_attention_layernorm", Kind::kPlain},
    {"idefics mistral", "norm", Kind::kPlain},
    {"mt5 t5", "*layer_norm", Kind::kPlain},    // RMS normalization
    {"sam", "neck.layer_norm#", Kind::kPlain},  // of channels, layers of their own
    {"sam", "mask_embed.layer_norm#", Kind::kPlain},
    {"sam", "upscale_layer_norm", Kind::kPlain},
    {"sam", "*_token", Kind::kPlain},  // learnt vectors, nn.Embedding in PyTorch
    {"sam", "*_tokens", Kind::kPlain},
    {"sam", "*_embed", Kind::kPlain},
    {"sam", "point_embed.#", Kind::kPlain},
    {"convnextv2", "grn", Kind::kPlain},                              // global response normalization, of rank 4
    {"convbert", "key_conv_attn_layer.depthwise", Kind::kDepthwise},  // one half of a Keras SeparableConv1D
};

// Types whose TensorFlow code numbers the layers of a list with a dot.
constexpr std::string_view kDotted =
    "bart blenderbot blenderbot-small convnext convnextv2 cvt data2vec-vision efficientformer hubert idefics "
    "layoutlmv3 "
    "led marian mbart mistral mobilevit opt pegasus regnet resnet segformer speech_to_text swin wav2vec2 whisper xglm";

constexpr PathRow kPaths[] = {
    // Shared embeddings are made outside of the model's scope, so that encoder and decoder find one name.
    {"bart blenderbot blenderbot-small marian mbart pegasus", "^model.shared", "/model.shared/model.shared"},
    {"led", "^led.shared", "/led.shared/led.shared"},
    {"mt5 t5", "^shared", "/shared/shared"},
    // A bias layer is built under no scope at all.
    {"bart blenderbot blenderbot-small led marian mbart pegasus", "^final_logits_bias$", "/final_logits_bias"},
    // TensorFlow's layer has another name and keeps PyTorch's behind `___`.
    {"bert layoutlm rembert roformer", "cls.predictions", "mlm___cls/predictions"},
    {"bert", "cls.seq_relationship", "nsp___cls/seq_relationship"},
    {"mobilebert", "cls.predictions", "predictions___cls/predictions"},
    {"mobilebert", "cls.seq_relationship", "seq_relationship___cls/seq_relationship"},
    // Sequential modules that are layers in a scope instead of a list.
    {"ctrl", "ffn.#", "ffn/#"},
    {"deit swin", "^decoder.#", "decoder/#"},
    {"swiftformer", "patch_embedding.#", "patch_embedding/#"},
    {"data2vec-vision", "psp_modules.#.#", "psp_modules/#.#"},
    // Variables that carry a whole path as their name.
    {"cvt", "^cvt.encoder.stages.#.cls_token$", "/cvt.encoder.stages.#.cls_token"},
    {"deberta deberta-v2", "rel_embeddings.weight$", "rel_embeddings.weight"},
    {"sam", "iou_token.weight$", "iou_token.weight"},
    {"sam", "mask_tokens.weight$", "mask_tokens.weight"},
    {"sam", "no_mask_embed.weight$", "no_mask_embed.weight"},
    {"sam", "not_a_point_embed.weight$", "not_a_point_embed.weight"},
    {"sam", "point_embed.#.weight$", "point_embed_._#.weight"},
    {"transfo-xl", "out_layers.#.*$", "out_layers_._#_._*"},
    // Answers of tables: the variables of a layer that has another name.
    {"tapas", "^output_*$", "/output/output_*"},
    {"tapas", "^column_output_*$", "/column_output/column_output_*"},
    // One Keras layer has both kernels of the separable convolution.
    {"convbert", "depthwise.weight$", "depthwise_kernel"},
    {"convbert", "pointwise.weight$", "pointwise_kernel"},
    // The layer's attribute has another name.
    {"deberta-v2", "pos_key_proj", "pos_proj"},
    {"deberta-v2", "pos_query_proj", "pos_q_proj"},
    // Weight normalization, in the names of PyTorch 2 and of older ones.
    {"", "parametrizations.weight.original0$", "weight_g"},
    {"", "parametrizations.weight.original1$", "weight_v"},
    // Layers whose names hold a dot or a mark of lists.
    {"flaubert xlm", "pred_layer.proj", "pred_layer_._proj"},
    {"lxmert", "decoder_dict.*", "decoder_dict.*"},
    {"mobilebert", "ffn.#", "ffn.#"},
    {"groupvit", "group_projector.#", "group_projector.#"},
    {"groupvit", "visual_projection.#", "visual_projection.#"},
    {"groupvit", "text_projection.#", "text_projection.#"},
    {"vit_mae", "decoder_layers.#", "decoder_layers.#"},
    {"data2vec-vision", "layer.#", "layer_._#"},
    {kDotted, "*.#.#", "*.#.#"},
    {kDotted, "*.#", "*.#"},
};

constexpr DimsRow kDims[] = {
    {"clip groupvit vision-text-dual-encoder", "logit_scale", "", "1"},
    {"convbert", "key_conv_attn_layer.bias", "n1", "n"},
    {"ctrl", "lm_head.bias", "n", "1n"},
    {"swiftformer", "layer_scale*", "n11", "n"},
    {"hubert wav2vec2", "parametrizations.weight.original0", "11n", "n11"},
};

constexpr TieRow kTies[] = {
    // Encoders and decoders that look words up in one matrix.
    {"bart blenderbot blenderbot-small led marian mbart pegasus", "@.encoder.embed_tokens.weight", "@.shared.weight",
     Holds::kOne},
    {"bart blenderbot blenderbot-small led marian mbart pegasus", "@.decoder.embed_tokens.weight", "@.shared.weight",
     Holds::kOne},
    {"bart blenderbot blenderbot-small led marian mbart pegasus", "lm_head.weight", "@.shared.weight",
     Holds::kOneWhereTied},
    {"mt5 t5", "encoder.embed_tokens.weight", "shared.weight", Holds::kOne},
    {"mt5 t5", "decoder.embed_tokens.weight", "shared.weight", Holds::kOne},
    {"mt5 t5", "lm_head.weight", "shared.weight", Holds::kBothWhereUntied},
    // Word predictors that TensorFlow computes with the matrix of the embeddings.
    {"bert deberta deberta-v2 layoutlm lxmert roformer tapas", "cls.predictions.decoder.weight",
     "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"camembert longformer mpnet roberta roberta-prelayernorm xlm-roberta", "lm_head.decoder.weight",
     "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"esm", "lm_head.decoder.weight", "@.embeddings.word_embeddings.weight", Holds::kBothWhereUntied},
    {"albert", "predictions.decoder.weight", "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"convbert electra", "generator_lm_head.weight", "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"distilbert", "vocab_projector.weight", "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"funnel", "lm_head.weight", "@.embeddings.word_embeddings.weight", Holds::kOneWhereTied},
    {"flaubert xlm", "pred_layer.proj.weight", "@.embeddings.weight", Holds::kOneWhereTied},
    {"ctrl", "lm_head.weight", "@.w.weight", Holds::kOneWhereTied},
    {"gpt2", "lm_head.weight", "@.wte.weight", Holds::kOneWhereTied},
    {"openai-gpt", "lm_head.weight", "@.tokens_embed.weight", Holds::kOneWhereTied},
    {"opt", "lm_head.weight", "@.decoder.embed_tokens.weight", Holds::kOneWhereTied},
    {"whisper", "proj_out.weight", "@.decoder.embed_tokens.weight", Holds::kOneWhereTied},
    {"xlnet", "lm_loss.weight", "@.word_embedding.weight", Holds::kOneWhereTied},
    // Those that have a matrix of their own in TensorFlow, tied or not.
    {"gptj", "lm_head.weight", "@.wte.weight", Holds::kBoth},
    {"idefics mistral xglm", "lm_head.weight", "@.embed_tokens.weight", Holds::kBoth},
    {"mobilebert", "cls.predictions.decoder.weight", "@.embeddings.word_embeddings.weight", Holds::kBoth},
    {"speech_to_text", "lm_head.weight", "@.decoder.embed_tokens.weight", Holds::kBoth},
    {"transfo-xl", "crit.out_layers.#.weight", "@.word_emb.emb_layers.#.weight", Holds::kBoth},
    {"transfo-xl", "crit.out_projs.#", "@.word_emb.emb_projs.#", Holds::kBoth},
    // Biases that PyTorch has twice.
    {"bert deberta deberta-v2 layoutlm mobilebert roformer tapas", "cls.predictions.decoder.bias",
     "cls.predictions.bias", Holds::kOne},
    {"blip", "text_decoder.cls.predictions.decoder.bias", "text_decoder.cls.predictions.bias", Holds::kOne},
    // Transformers 4.46 saves these without the decoder's, and zeroes both when it loads such a file.
    {"camembert longformer mpnet roberta roberta-prelayernorm xlm-roberta", "lm_head.decoder.bias", "lm_head.bias",
     Holds::kOne, true},
    {"albert", "predictions.decoder.bias", "predictions.bias", Holds::kBoth},
    // Random features of positions, which the prompt encoder uses too.
    {"sam", "prompt_encoder.shared_embedding.positional_embedding", "shared_image_embedding.positional_embedding",
     Holds::kOne},
};

constexpr ComputedRow kComputed[] = {
    {"", "num_batches_tracked"},            // counts training steps; TensorFlow does not
    {"", "position_ids"},                   // 0, 1, 2, …
    {"", "rotary_emb.inv_freq"},            // stored until 4.32
    {"gpt2 gptj openai-gpt", "attn.bias"},  // causal masks, stored until 4.30
    {"gpt2 gptj", "attn.masked_bias"},      // the number that fills masks
    {"gpt2", "crossattention.bias"},        // as `attn.bias`
    {"gpt2", "crossattention.masked_bias"},
    {"speech_to_text xglm", "embed_positions.weights"},  // sines
    {"transfo-xl", "pos_emb.inv_freq"},                  // frequencies of sines
    {"data2vec-vision", "relative_position_index"},      // stored until 4.41
};

constexpr SinesRow kSines[] = {
    // PyTorch's MarianMTModel keeps them out of its files.
    {"marian", "@.encoder.embed_positions.weight", SinesForm::kXlm, Side::kTf, "max_position_embeddings", 0},
    {"marian", "@.decoder.embed_positions.weight", SinesForm::kXlm, Side::kTf, "max_position_embeddings", 0},
    // TensorFlow's classes compute them at each call.
    {"speech_to_text", "@.encoder.embed_positions.weights", SinesForm::kTensor2Tensor, Side::kPt,
     "max_source_positions", 2},
    {"speech_to_text", "@.decoder.embed_positions.weights", SinesForm::kTensor2Tensor, Side::kPt,
     "max_target_positions", 2},
    {"transfo-xl", "@.pos_emb.inv_freq", SinesForm::kFrequencies, Side::kPt, "d_model", 0},
};

constexpr TfOnlyRow kTfOnly[] = {
    // TensorFlow builds the pooler in every class.
    {"MPNetForMaskedLM MPNetForQuestionAnswering MPNetForSequenceClassification MPNetForTokenClassification",
     "mpnet/pooler"},
};

constexpr PartRow kParts[] = {
    {"encoder-decoder vision-encoder-decoder", "encoder", "encoder", true},
    {"encoder-decoder vision-encoder-decoder", "decoder", "decoder", false},
    {"vision-text-dual-encoder", "vision_model", "vision_config", true},
    {"vision-text-dual-encoder", "text_model", "text_config", true},
};

constexpr AliasRow kAliases[] = {
    {"gpt-sw3", "gpt2"},
    {"clip_text_model", "clip"},
    {"clip_vision_model", "clip"},
};

constexpr std::string_view kUnmapped[] = {
    "rag",  // its classes hold two models of other types beside a retriever
};

}  // namespace

std::span<const KindRow> kind_rows() { return kKinds; }
std::span<const PathRow> path_rows() { return kPaths; }
std::span<const DimsRow> dims_rows() { return kDims; }
std::span<const TieRow> tie_rows() { return kTies; }
std::span<const ComputedRow> computed_rows() { return kComputed; }
std::span<const SinesRow> sines_rows() { return kSines; }
std::span<const TfOnlyRow> tf_only_rows() { return kTfOnly; }
std::span<const PartRow> part_rows() { return kParts; }
std::span<const AliasRow> alias_rows() { return kAliases; }
std::span<const std::string_view> unmapped_types() { return kUnmapped; }

bool names_type(std::string_view types, std::string_view type) {
  if (types.empty()) return true;
  for (std::size_t at = types.find(type); at != types.npos; at = types.find(type, at + 1)) {
    const std::size_t end = at + type.size();
    if ((at == 0 || types[at - 1] == ' ') && (end == types.size() || types[end] == ' ')) return true;
  }
  return false;
}

}  // namespace crossload::names

#include "app/tf4_model_types.h"

#include <algorithm>
#include <array>

namespace crossload::app {
namespace {

// The keys of TF_MODEL_MAPPING_NAMES and of the mappings of classes without a base model, sorted.
constexpr std::array<std::string_view, 72> kModelTypes = {
    "albert",
    "bart",
    "bert",
    "blenderbot",
    "blenderbot-small",
    "blip",
    "camembert",
    "clip",
    "convbert",
    "convnext",
    "convnextv2",
    "ctrl",
    "cvt",
    "data2vec-vision",
    "deberta",
    "deberta-v2",
    "deit",
    "distilbert",
    "dpr",
    "efficientformer",
    "electra",
    "encoder-decoder",
    "esm",
    "flaubert",
    "funnel",
    "gpt-sw3",
    "gpt2",
    "gptj",
    "groupvit",
    "hubert",
    "idefics",
    "layoutlm",
    "layoutlmv3",
    "led",
    "longformer",
    "lxmert",
    "marian",
    "mbart",
    "mistral",
    "mobilebert",
    "mobilevit",
    "mpnet",
    "mt5",
    "openai-gpt",
    "opt",
    "pegasus",
    "rag",
    "regnet",
    "rembert",
    "resnet",
    "roberta",
    "roberta-prelayernorm",
    "roformer",
    "sam",
    "segformer",
    "speech-encoder-decoder",
    "speech_to_text",
    "swiftformer",
    "swin",
    "t5",
    "tapas",
    "transfo-xl",
    "vision-encoder-decoder",
    "vision-text-dual-encoder",
    "vit",
    "vit_mae",
    "wav2vec2",
    "whisper",
    "xglm",
    "xlm",
    "xlm-roberta",
    "xlnet",
};

}  // namespace

bool has_tf4_class(std::string_view model_type) {
  return std::find(kModelTypes.begin(), kModelTypes.end(), model_type) != kModelTypes.end();
}

}  // namespace crossload::app

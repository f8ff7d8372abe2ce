"""What the zoo's rules get wrong, model type by model type: data, each entry with its reason.

An entry may hold:
    reason       why it is needed (for people)
    config       fields of the configuration, set after the rules; parts as dicts within
    keep_widths  True: keep the widths of the class's defaults, and shrink only numbers of layers, experts and words
    class        the class to take instead of the one that is found: a name, or a function(config) that makes the module
    prepare      function(model), called once the model is made, to set what its users have to set themselves
    inputs       function(config) → {name: tensor}, instead of what crossload makes up
    extra        function(config, inputs) → {name: tensor}, added to what crossload makes up
    inputs_for   {class name: function(config)}: the inputs of that class
    for_class    {class name: {field: value}}, set in the configuration for that class only
    unbuilt      why no tiny model can be had here; nothing else is looked at then
"""

from . import audio, documents, multimodal, omni, parts, segmentation, series, text, video, vision

TABLES = (text, documents, series, vision, segmentation, audio, video, multimodal, omni, parts)


def exception(model_type):
    """The entry of a model type, {} for most."""
    for table in TABLES:
        if model_type in table.EXCEPTIONS:
            return table.EXCEPTIONS[model_type]
    return {}

"""Extension: the learner "encoder", pretrained Transformers by the library transformers, frozen or trained on."""

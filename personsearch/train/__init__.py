"""STL: pretrain the backbone on Re-ID crops, then finetune detection and identification on scenes."""

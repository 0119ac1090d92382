"""The training of a PyTorch guide with foldwise's pieces: Dataset, batch sampler, collate_fn, DataLoader, model, loop.

PYTHONPATH=src python tests/python/plain_loop.py [ROWS]
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import foldwise as fw
from foldwise.config import Model, Tokens
from foldwise.data.tokenizer import tokenize
from foldwise.models import Shape

rows, epochs, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 8_469, 2, 0
torch.manual_seed(seed)
table = pd.read_csv(Path(__file__).parents[2] / "input" / "movie-reviews" / "train.csv").sample(rows, random_state=seed)

# Texts to token numbers: one flat array of all of them, and the words by number
store, words, _ = tokenize(table["text"].tolist(), rows, Tokens(), lambda _: None)
targets = torch.tensor(table["target"].tolist())

# Batches of texts that are about as long as each other, so that there is little padding
order = torch.randperm(rows).numpy()
train, valid = (fw.TokenDataset(store, part, targets) for part in (order[rows // 5 :], order[: rows // 5]))
sampler = fw.BucketBatchSampler(train.lengths, batch_size=32, seed=seed)
loader = DataLoader(train, batch_sampler=sampler, collate_fn=fw.collate)
valid_loader = DataLoader(valid, batch_size=256, collate_fn=fw.collate)

# A table of word vectors that trains would have sparse gradients, which AdamW does not take
vectors = torch.randn(len(words), 100) * 0.1
model = fw.BiLSTM(vectors, Shape(outputs=2), Model(hidden=64))
model.embedding.sparse = False
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)


def step(batch: fw.Batch) -> torch.Tensor:
    """One step of training."""
    optimizer.zero_grad()
    loss = cross_entropy(model(batch.tokens, batch.lengths), batch.targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()


for epoch in range(epochs):
    sampler.set_epoch(epoch)  # another order each time
    losses = fw.train_epoch(model, loader, step)
    model.eval()
    with torch.inference_mode():
        right = sum((model(*batch.inputs).argmax(dim=1) == batch.targets).sum() for batch in valid_loader)
    print(f"epoch {epoch + 1}: loss {torch.stack(losses).mean():.4f}, accuracy {right / len(valid):.4f}")

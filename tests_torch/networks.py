"""Small networks with weights by a fixed seed."""

import torch


class SmallCnn(torch.nn.Module):
    """Image [N, 3, 16, 16] -> logits [N, 10], with batch normalisation and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.BatchNorm2d(16),
                                        torch.nn.ReLU())
        self.body = torch.nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.head = torch.nn.Linear(16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = torch.nn.functional.max_pool2d(x + torch.relu(self.body(x)), 2)
        return self.head(x.mean((2, 3)))


def small_cnn() -> SmallCnn:
    torch.manual_seed(1)
    network = SmallCnn()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(8, 3, 16, 16))
    return network.eval()


def encoder_layer() -> torch.nn.Module:
    torch.manual_seed(2)
    return torch.nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True).eval()

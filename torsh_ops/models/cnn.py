"""A convolutional network for small images."""

from torsh_ops import nn
from torsh_ops.tensor import Tensor


class SmallCNN(nn.Module):
    """Four 3x3 convolutions in two stages of 32 and 64 channels, a mean over places, and a linear classifier.

    Images (n, 3, h, w) give logits (n, num_classes). At 32x32 one image is 49 million flops; 66 thousand parameters.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in ((3, 32), (32, 64)):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, num_classes)

    def forward(self, input: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, num_classes); h and w at least 4."""
        return self.classifier(self.pool(self.features(input)).flatten(1))

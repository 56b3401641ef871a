"""Gates: what a challenger must show, as data and as checks of evidence."""

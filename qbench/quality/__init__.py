"""Measures of pictures, batched in torch on the device of the pictures: against a clean one (PSNR, SSIM), or alone
(the statistics of natural scenes that BRISQUE and NIQE are made of). Nothing here knows of records or suites."""

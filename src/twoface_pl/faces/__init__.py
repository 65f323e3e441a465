"""What a face picture is: decoding, frames, compositing and paste-back."""
